"""The URLs of the shop."""

from django.urls import path

from shop import views

urlpatterns = [
    path("orders/", views.place),
    path("orders/<int:pk>/", views.order),
    path("total/", views.start_total),
    path("total/<str:result_id>/", views.show_total),
]
